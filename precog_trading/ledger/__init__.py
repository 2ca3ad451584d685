"""What trading did to our money: positions, cash, settlement, and the proof that they agree."""
