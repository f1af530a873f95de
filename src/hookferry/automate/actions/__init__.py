"""What scripts' commands do in the world, one module for each subject."""
