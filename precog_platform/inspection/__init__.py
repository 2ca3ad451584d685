"""How this installation is: what runs, how fresh it is, what is wrong with the machine."""
