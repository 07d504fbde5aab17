//! What the tests of several rooms have in common.

pub(crate) mod convolutional;
pub(crate) mod networks;
pub(crate) mod normalised;
pub(crate) mod plain_indicators;
pub(crate) mod runs;
