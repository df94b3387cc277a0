"""What every wing stands on: checks, parameters, modules, files of tensors."""
