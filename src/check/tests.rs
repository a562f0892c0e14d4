//! Every rule speaks where it should, and only there.
