"""What watches the installation itself."""
