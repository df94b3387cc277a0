"""What every wing uses: checks, parameters, modules, files of tensors."""
