// UDP sockets for SSDP's two multicast groups, IPv4 and link-local IPv6. Requirements D1–D3, H5.
import { createSocket, type Socket } from 'node:dgram';
import { ssdpAddress } from '../discovery/ssdp-message.ts';
import type { LocalInterface } from './address.ts';

export type Family = LocalInterface['family'];

/** UPnP Device Architecture 2.0 §1.1.1: 2 unless configured otherwise. */
const hops = 2;

/** Buffers datagrams while the event loop is busy; the default of 208 KiB holds 256 datagrams. The system may grant less. */
const recvBufferSize = 1024 * 1024;

/**
 * Whether SSDP is sent from an address. IPv6 devices announce themselves on link-local addresses, which have a zone;
 * other IPv6 addresses would only double the traffic.
 */
export function speaksSsdp(at: LocalInterface): boolean {
  return at.family === 'IPv4' || at.scopeId !== undefined;
}

/** The group address to send to and join; on IPv6 with the zone of its link. */
export function groupOf(at: LocalInterface): string {
  return at.family === 'IPv4' ? ssdpAddress.v4 : `${ssdpAddress.v6}%${at.name}`;
}

/** The address to bind or dial; link-local IPv6 needs its zone (D22). */
export function zonedAddress(at: LocalInterface): string {
  return at.scopeId === undefined ? at.address : `${at.address}%${at.name}`;
}

/** @param shared whether other programs may bind the same port */
export function openSocket(family: Family, shared: boolean): Socket {
  const type = family === 'IPv4' ? 'udp4' : 'udp6';
  return createSocket({ type, reuseAddr: shared, ipv6Only: family === 'IPv6', recvBufferSize });
}

/** Binds to every address of the family, to receive the groups joined later. */
export function bindListener(socket: Socket, family: Family, port: number): Promise<void> {
  return bind(socket, port, family === 'IPv4' ? '0.0.0.0' : '::');
}

/** Binds to an ephemeral port at one address, and sends multicast on its link only. */
export async function bindSpeaker(socket: Socket, at: LocalInterface): Promise<void> {
  await bind(socket, 0, zonedAddress(at));
  socket.setMulticastTTL(hops);
  socket.setMulticastInterface(membershipOf(at));
}

export function join(listener: Socket, at: LocalInterface): void {
  listener.addMembership(groupOf(at), membershipOf(at));
}

export function leave(listener: Socket | undefined, at: LocalInterface): void {
  try {
    listener?.dropMembership(groupOf(at), membershipOf(at));
  } catch {
    // The interface is gone, and its membership with it.
  }
}

export function close(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}

/** The interface in the form that the multicast socket options expect. */
function membershipOf(at: LocalInterface): string {
  return at.scopeId === undefined ? at.address : `::%${at.name}`;
}

function bind(socket: Socket, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, address, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}
