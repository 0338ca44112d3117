"""Organizations, their contracts, the courseware a contract gives, and the learners attached to it."""
