"""What is wrong at the moment, and telling it once: a message when it begins and one when it is over."""
