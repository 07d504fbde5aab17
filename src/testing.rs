//! What the tests of several rooms have in common.

pub(crate) mod networks;
pub(crate) mod plain_indicators;
