// Imported first: V8 collects its old space when it has grown by a quarter, however the agent was started. While a long
// list was read, it let 26 MB in use grow to 67 MB before it collected; a Raspberry Pi has other use for the rest.
import { setFlagsFromString } from 'node:v8';

// The space for new objects stays as large as loading the program has made it, some 8 MB.
setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--heap-growing-percent=25');
