"""The short way of plain requests past Falcon and the routes."""
