"""Files of models: what describes a module, and what makes it again."""
