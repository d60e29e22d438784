// Preloaded into the agent under test: shorter back-off, so that a round does not wait for it.
import { dialTimes } from '../../edge-agent/tunnel/dial-back-off.ts';

Object.assign(dialTimes, { firstMs: 200, capMs: 2000, replacedMs: 1000 });
