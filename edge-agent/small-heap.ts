// Imported first: V8 keeps its heap near what is in use, however the agent was started. At rest it holds 25 MiB; while a
// long list was read, V8 let it grow to 110 MiB before it collected, which a Raspberry Pi has other use for.
import { setFlagsFromString } from 'node:v8';

// New objects get 1 MiB, not up to 16.
setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--heap-growing-percent=25');
