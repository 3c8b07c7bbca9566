"""One experiment as settings: what a file may say, forks, sweeps, and the files themselves."""
