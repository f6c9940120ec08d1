import { Injectable } from '@nestjs/common';
import { ANYONE, devicePrincipal } from '../common/access.js';
import { readApiKey } from '../common/secrets.js';
import { AccessMode } from '../config/access.mode.js';
import { type DeviceLogin, RegistryService } from '../device/registry.service.js';
import { type AdmittedClient, ClientAccess, type ClientLogin, type RevokedClient } from '../mqtt/client-access.js';
import { keyPrincipal } from './key.js';
import { KeyRing } from './key-ring.js';
import { LoginService } from './login.service.js';

/**
 * Who may be a client of the embedded broker: a device with its credential or certificate, another service with an API key whose
 * id is its user name. The client id of a device is nobody else's.
 */
@Injectable()
export class MqttAccess extends ClientAccess {
  constructor(
    private readonly mode: AccessMode,
    private readonly logins: LoginService,
    private readonly registry: RegistryService,
    private readonly keys: KeyRing,
  ) {
    super();
  }

  override get required(): boolean {
    return this.mode.required;
  }

  override async logIn(login: ClientLogin): Promise<AdmittedClient | null> {
    if (!this.required) return { principal: ANYONE, credentialId: null, expiresAt: null };
    const { clientId, username, address, certificateName } = login;
    const ownName = username === null || username === clientId;
    if (certificateName === clientId && ownName) {
      return admittedDevice(await this.logins.deviceByCertificate(clientId, address));
    }
    const secret = login.password === null ? '' : Buffer.from(login.password).toString('latin1');
    if (username !== null && readApiKey(secret)?.id === username) return this.service(clientId, secret, address);
    // Counted under the client id: anything may be in a user name, also a password.
    if (username !== clientId || login.password === null) return this.logins.refuse(clientId, address);
    return admittedDevice(await this.logins.device(clientId, login.password, address));
  }

  override isDevice(deviceId: string): Promise<boolean> {
    return this.registry.isRegistered(deviceId);
  }

  override onRevoked(listener: (revoked: RevokedClient) => void): () => void {
    const ends = [
      this.registry.onRevoked(({ deviceId, credentialId }) => listener({ kind: 'device', id: deviceId, credentialId })),
      this.keys.onRevoked((id) => listener({ kind: 'key', id, credentialId: null })),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  override onDevice(listener: (deviceId: string | null) => void): () => void {
    return this.registry.onChange(({ deviceId }) => listener(deviceId));
  }

  private async service(clientId: string, text: string, address: string): Promise<AdmittedClient | null> {
    const key = await this.logins.key(text, address, async () => !(await this.registry.isRegistered(clientId)));
    if (!key) return null;
    return { principal: keyPrincipal(key), credentialId: null, expiresAt: key.expiresAt };
  }
}

function admittedDevice(login: DeviceLogin | null): AdmittedClient | null {
  if (!login) return null;
  const { deviceId, credentialId, expiresAt } = login;
  return { principal: devicePrincipal(deviceId), credentialId, expiresAt };
}
