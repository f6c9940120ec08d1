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

const settings = { answersServices: true, prefix: 'devices', accounts: null };

describe('The capabilities', () => {
  it('of the embedded broker: its PUBACK means what the commit survives', () => {
    expect(capabilitiesOf(embedded, sqlite, settings)).toEqual({
      mqtt: { broker: 'embedded', versions: ['3.1', '3.1.1'], protocol: null, services: true },
      database: { kind: 'sqlite', version: '3.50', replicas: false },
      logins: { kept: 'signalbox', overlap: true, needCredential: null, taken: null },
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
    expect(capabilitiesOf(external, postgres, { ...settings, answersServices: false })).toEqual({
      mqtt: { broker: 'external', versions: null, protocol: '5', services: false },
      database: { kind: 'postgresql', version: '15.18', replicas: true },
      logins: { kept: 'broker', overlap: null, needCredential: null, taken: null },
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

  it('of a broker whose accounts follow the registry: no overlap, and what is missing', () => {
    const accounts = { needCredential: 2, taken: 0 };
    const { logins } = capabilitiesOf(external, postgres, { ...settings, accounts });
    expect(logins).toEqual({ kept: 'dynamic-security', overlap: false, needCredential: 2, taken: 0 });
  });

  it('allow replicas only where both the broker and the database are shared', () => {
    expect(capabilitiesOf(embedded, postgres, settings).database.replicas).toBe(false);
    expect(capabilitiesOf(external, sqlite, settings).database.replicas).toBe(false);
  });
});
