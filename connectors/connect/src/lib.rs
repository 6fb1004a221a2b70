//! Applies connectors from their JSON files and reports what is true.
