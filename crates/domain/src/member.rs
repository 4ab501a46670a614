use crate::word::words;

words! {
    /// What a member of a workspace may do.
    pub enum Role {
        Admin = "admin",
        Member = "member",
    }
}

words! {
    /// How the pages look to a person; `auto` follows the device.
    pub enum Theme {
        Auto = "auto",
        Light = "light",
        Dark = "dark",
    }
}
