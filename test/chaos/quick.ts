// Preloaded into the agent under test: it comes back sooner than in earnest, so that a round need not wait for it.
import { backOffTimes } from '../../edge-agent/tunnel/back-off.ts';

Object.assign(backOffTimes, { firstMs: 200, capMs: 2000, replacedMs: 1000 });
