import { describe, expect, it } from '@jest/globals';
import { ProtocolChoice } from './protocol-choice.js';

describe('ProtocolChoice', () => {
  it('begins with MQTT 5 and goes on with 3.1.1 at once when the broker refuses the version', () => {
    const choice = new ProtocolChoice();
    expect(choice.version).toBe(5);
    expect(choice.failed(5, 'version')).toBe(true);
    expect(choice.version).toBe(4);
    choice.worked(4);
    expect(choice.failed(4, 'other')).toBe(false);
    expect(choice.version).toBe(4);
  });

  it('tries both in turn at a broker that closes without a word, and waits after each turn', () => {
    const choice = new ProtocolChoice();
    expect([choice.failed(5, 'closed'), choice.version]).toEqual([true, 4]);
    expect([choice.failed(4, 'closed'), choice.version]).toEqual([false, 5]);
  });

  it('keeps what has worked when the broker closes or is away', () => {
    const choice = new ProtocolChoice();
    choice.worked(5);
    expect([choice.failed(5, 'closed'), choice.failed(5, 'other'), choice.version]).toEqual([false, false, 5]);
  });

  it('changes when a broker that is replaced refuses what has worked', () => {
    const choice = new ProtocolChoice();
    choice.worked(5);
    expect([choice.failed(5, 'version'), choice.version]).toEqual([true, 4]);
  });

  it('does not change twice because two connections failed at once', () => {
    const choice = new ProtocolChoice();
    choice.failed(5, 'version');
    expect([choice.failed(5, 'version'), choice.version]).toEqual([true, 4]);
  });
});
