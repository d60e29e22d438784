// Preloaded into the agent under test: it comes back sooner than in earnest, so that a round need not wait for it.
import { dialTimes } from '../../edge-agent/tunnel/dial-back-off.ts';

Object.assign(dialTimes, { firstMs: 200, capMs: 2000, replacedMs: 1000 });
