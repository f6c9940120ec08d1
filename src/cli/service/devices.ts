import { exitCodeOf, harmless, type Service, table } from './service.js';

interface Device {
  readonly id: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly enabled: boolean;
  readonly approved: boolean;
  readonly presence: { readonly state: string };
  readonly lastSeen: string | null;
}

interface Credential {
  readonly id: string;
  readonly secret: string;
}

/** What a device is to be. */
export interface NewDevice {
  readonly id: string;
  readonly name?: string;
  readonly type?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

/** Registers a device and prints its credential alone on standard output, the rest on standard error. Returns the exit code. */
export function createDevice(service: Service, url: string, device: NewDevice, json: boolean): Promise<number> {
  return exitCodeOf(url, async () => {
    const made = await service.call<Device & { readonly credential: Credential }>('POST', '/v1/devices', device);
    show(json ? made : null, made.credential, `${made.id} is registered.`);
  });
}

/** Gives a device a new credential, beside which the old one stays valid for a while. Returns the exit code. */
export function rotateCredential(
  service: Service,
  url: string,
  id: string,
  overlapSeconds: number,
  json: boolean,
): Promise<number> {
  return exitCodeOf(url, async () => {
    const path = `/v1/devices/${encodeURIComponent(id)}/credentials`;
    const made = await service.call<Credential>('POST', path, { overlapSeconds });
    show(json ? made : null, made, `${id} has a new credential.`);
  });
}

/** Prints the devices that match. Returns the exit code. */
export function listDevices(service: Service, url: string, query: URLSearchParams, json: boolean): Promise<number> {
  return exitCodeOf(url, async () => {
    const devices: Device[] = [];
    for await (const device of service.all<Device>('/v1/devices', query)) {
      if (json) process.stdout.write(`${JSON.stringify(device)}\n`);
      else devices.push(device);
    }
    if (json) return;
    const rows = devices.map(({ id, name, type, enabled, approved, presence, lastSeen }) => [
      id,
      harmless(name ?? ''),
      harmless(type ?? ''),
      approved ? (enabled ? presence.state : 'disabled') : 'pending',
      lastSeen ?? 'never',
    ]);
    process.stdout.write(table(['ID', 'NAME', 'TYPE', 'STATE', 'LAST SEEN'], rows));
  });
}

function show(whole: object | null, { secret }: Credential, what: string): void {
  if (whole) {
    process.stdout.write(`${JSON.stringify(whole)}\n`);
    return;
  }
  process.stderr.write(`${what} Its credential is shown only now:\n`);
  process.stdout.write(`${secret}\n`);
}
