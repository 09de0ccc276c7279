//! Tables on real maps without programs, as root: cheap enough for hundreds of histories
//! with refusals and crashes in them. What clients see meanwhile is for tests/root.

mod bed;
mod cuts;
mod histories;
mod nonsense;
mod tables;
mod view;
