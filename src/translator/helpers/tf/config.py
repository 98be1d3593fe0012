"""The one setting of the helpers; a translated file gets the value that was chosen for it."""

DATA_FORMAT = "channels_last"
