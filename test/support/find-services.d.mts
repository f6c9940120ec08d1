export type ServiceName = 'mosquitto' | 'mosquittoClients' | 'paho' | 'postgres' | 'openssl' | 'gxx';
export const packages: Readonly<Record<ServiceName, string>>;
export function findServices(): Readonly<Record<ServiceName, string | null>>;
export function missingServices(): ServiceName[];
