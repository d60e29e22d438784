// What an end of the tunnel can do beyond version 1, by name: said in `hello` and in `welcome` (README.md §1).

export const tunnelFeatures = [
  /** The agent answers a `ping` of the cloud. */
  'ping',
  /** The frame `dead-letters` (README.md §7). */
  'dead-letters',
] as const;
export type TunnelFeature = (typeof tunnelFeatures)[number];

/** The features that both ends have: names that this end does not know are ignored. */
export function sharedFeatures(told: readonly string[] = []): TunnelFeature[] {
  return tunnelFeatures.filter((feature) => told.includes(feature));
}
