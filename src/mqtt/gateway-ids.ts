import type { BrokerConfig } from '../config/broker.config.js';

const OURS = /^(seat-\d+|status|[0-9a-f]{12})$/;

/**
 * True for a client id that Signalbox uses itself at an external broker (contract, section 9). Whoever else connected with one
 * would throw us out and, of a reading session, get all that devices say.
 */
export function isGatewayClientId(id: string, broker: Pick<BrokerConfig, 'shareGroup' | 'clientId'>): boolean {
  const { shareGroup, clientId } = broker;
  if (id === clientId && id !== '') return true;
  return id.startsWith(`${shareGroup}-`) && OURS.test(id.slice(shareGroup.length + 1));
}
