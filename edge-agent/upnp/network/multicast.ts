// UDP sockets for SSDP's two multicast groups, IPv4 and link-local IPv6. Requirements D1–D3, H5.
import { createSocket, type Socket } from 'node:dgram';
import { ssdpAddress } from '../discovery/ssdp-message.ts';
import type { LocalInterface } from './address.ts';

export type Family = LocalInterface['family'];

/** UPnP Device Architecture 2.0 §1.1.1: 2 unless configured otherwise. */
const hops = 2;

/** What comes while we do something else waits here; the system's own 208 KiB hold 256 datagrams. It may grant less. */
const recvBufferSize = 1024 * 1024;

/**
 * Whether SSDP is spoken from an address. On IPv6 devices announce themselves link-locally, which needs a zone; other IPv6
 * addresses would only double that.
 */
export function speaksSsdp(at: LocalInterface): boolean {
  return at.family === 'IPv4' || at.scopeId !== undefined;
}

/** The group as it is sent to and joined; on IPv6 with the zone of its link. */
export function groupOf(at: LocalInterface): string {
  return at.family === 'IPv4' ? ssdpAddress.v4 : `${ssdpAddress.v6}%${at.name}`;
}

/** An address to bind to or to dial; link-local IPv6 needs its zone (D22). */
export function zonedAddress(at: LocalInterface): string {
  return at.scopeId === undefined ? at.address : `${at.address}%${at.name}`;
}

/** A socket that may share its port with other programs, or that has one of its own. */
export function openSocket(family: Family, shared: boolean): Socket {
  const type = family === 'IPv4' ? 'udp4' : 'udp6';
  return createSocket({ type, reuseAddr: shared, ipv6Only: family === 'IPv6', recvBufferSize });
}

/** Binds to every address of the family, to hear what is sent to the groups that are then joined. */
export function bindListener(socket: Socket, family: Family, port: number): Promise<void> {
  return bind(socket, port, family === 'IPv4' ? '0.0.0.0' : '::');
}

/** Binds to a port of its own at one address, and sends multicast by its link and no other. */
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
    // The interface has gone, and its membership with it.
  }
}

export function close(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}

/** How the system is told which interface is meant. */
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
