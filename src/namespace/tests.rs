//! The tree against a model, and machines against each other.
