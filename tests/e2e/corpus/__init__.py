"""A corpus of spellings, real applications that say how they read each, and whether the gate has read it so, too."""
