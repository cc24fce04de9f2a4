"""The memory of pictures: kept from one to the next, and cleared without a wait."""
