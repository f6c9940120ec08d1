import { Injectable } from '@nestjs/common';
import { ANYONE, devicePrincipal } from '../common/access.js';
import { AccessMode } from '../config/access.mode.js';
import { RegistryService } from '../device/registry.service.js';
import { type AdmittedClient, ClientAccess, type ClientLogin, type RevokedClient } from '../mqtt/client-access.js';
import { keyPrincipal } from './key.js';
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
  ) {
    super();
  }

  override get required(): boolean {
    return this.mode.required;
  }

  override async logIn(login: ClientLogin): Promise<AdmittedClient | null> {
    if (!this.required) return { principal: ANYONE, credentialId: null, expiresAt: null };
    const { clientId, username, password, address } = login;
    if (username === null || password === null) return null;
    if (username === clientId) {
      const device = await this.logins.device(clientId, password, address);
      return device && { principal: devicePrincipal(device.deviceId), ...device };
    }
    const key = await this.logins.key(Buffer.from(password).toString('latin1'), address);
    if (!key || key.id !== username || (await this.registry.isRegistered(clientId))) return null;
    return { principal: keyPrincipal(key), credentialId: null, expiresAt: key.expiresAt };
  }

  override onRevoked(listener: (revoked: RevokedClient) => void): () => void {
    return this.registry.onRevoked(({ deviceId, credentialId }) =>
      listener({ kind: 'device', id: deviceId, credentialId }),
    );
  }
}
