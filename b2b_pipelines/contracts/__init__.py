"""Organizations, their contracts, each contract's courseware, and the attached learners."""
