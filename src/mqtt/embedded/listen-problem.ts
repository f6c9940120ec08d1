import { StartupError } from '../../common/startup.error.js';

const NOT_LOCAL = new Set(['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EINVAL']);

/** Says why the embedded broker cannot listen, and what to change. Other errors are given back as they are. */
export function listenProblem(error: NodeJS.ErrnoException, host: string, port: number, variable: string): Error {
  const code = error.code ?? '';
  if (code === 'EADDRINUSE') {
    return new StartupError(
      `MQTT port ${port} on ${host} is already taken.`,
      `Another Signalbox or another broker such as Mosquitto may hold it: stop that one, or set ${variable} to another port (0 = any free one).`,
    );
  }
  if (code === 'EACCES') {
    return new StartupError(
      `MQTT port ${port} on ${host} may not be opened by this user.`,
      `Ports below 1024 need privileges: set ${variable} to a higher one.`,
    );
  }
  if (NOT_LOCAL.has(code)) {
    return new StartupError(
      `MQTT_HOST ${host} is no address of this machine.`,
      'MQTT_HOST is where the embedded broker listens: set it to a local address such as 127.0.0.1; to use a broker elsewhere set MQTT_URL.',
    );
  }
  return error;
}
