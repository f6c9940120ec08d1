import { describe, expect, it } from '@jest/globals';
import type { LinkCapabilities } from '../mqtt/link.js';
import type { DatabaseCapabilities } from '../storage/database.js';
import { capabilitiesOf } from './capabilities.js';

const embedded: LinkCapabilities = {
  kind: 'embedded',
  mqttVersions: ['3.1', '3.1.1'],
  protocol: null,
  delivered: true,
  acknowledgement: 'committed',
  redelivery: 'device',
  retainedSurviveRestart: true,
  sessionsSurviveRestart: false,
};
const external: LinkCapabilities = {
  kind: 'external',
  mqttVersions: null,
  protocol: '5',
  delivered: false,
  acknowledgement: 'accepted-by-broker',
  redelivery: 'broker',
  retainedSurviveRestart: null,
  sessionsSurviveRestart: null,
};
const sqlite: DatabaseCapabilities = { kind: 'sqlite', version: '3.50', shared: false, commitSurvives: 'power-loss' };
const postgres: DatabaseCapabilities = {
  kind: 'postgresql',
  version: '15.18',
  shared: true,
  commitSurvives: 'process-crash',
};

describe('The capabilities', () => {
  it('of the embedded broker: its PUBACK means what the commit survives', () => {
    expect(capabilitiesOf(embedded, sqlite, true, 'devices')).toEqual({
      mqtt: { broker: 'embedded', versions: ['3.1', '3.1.1'], protocol: null, services: true },
      database: { kind: 'sqlite', version: '3.50', replicas: false },
      commands: { delivered: true },
      acknowledgement: {
        publish: { means: 'committed', survives: 'power-loss' },
        request: { means: 'committed', survives: 'power-loss' },
        endToEnd: { topic: 'devices/{deviceId}/down/acks', means: 'committed', survives: 'power-loss' },
      },
      redelivery: 'device',
      survivesRestart: { retained: true, sessions: false },
    });
  });

  it('of an external broker: its PUBACK is its own promise, and only the end-to-end answer is ours', () => {
    expect(capabilitiesOf(external, postgres, false, 'devices')).toEqual({
      mqtt: { broker: 'external', versions: null, protocol: '5', services: false },
      database: { kind: 'postgresql', version: '15.18', replicas: true },
      commands: { delivered: false },
      acknowledgement: {
        publish: { means: 'accepted-by-broker', survives: null },
        request: { means: 'committed', survives: 'process-crash' },
        endToEnd: { topic: 'devices/{deviceId}/down/acks', means: 'committed', survives: 'process-crash' },
      },
      redelivery: 'broker',
      survivesRestart: { retained: null, sessions: null },
    });
  });

  it('allow replicas only where both the broker and the database are shared', () => {
    expect(capabilitiesOf(embedded, postgres, true, 'd').database.replicas).toBe(false);
    expect(capabilitiesOf(external, sqlite, true, 'd').database.replicas).toBe(false);
  });
});
