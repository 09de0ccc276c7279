//! What the plugin and the node's daemon say to each other.
