use crate::word::words;

words! {
    /// What happened to a destination's pace.
    pub enum PaceAct {
        /// A reply turned a knob down, or began a hold, or both.
        Down = "down",
        /// Clean work turned a knob up.
        Up = "up",
        /// A person holds it.
        Hold = "hold",
        /// A person lifted its holds.
        Lift = "lift",
    }
}
