"""Small PyTorch functions and modules that stand in where PyTorch has no exact equivalent."""
