import { lookup } from 'node:dns/promises';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createHttpAdapter, HTTP_LIMITS } from './app.http.js';
import { AppModule } from './app.module.js';
import { CertificateFiles } from './common/certificate-files.js';
import { HttpRefusals } from './common/http-refusals.js';
import { PinoLogger } from './common/pino.logger.js';
import { ProblemFilter } from './common/problem.filter.js';
import { StartupError } from './common/startup.error.js';
import { DtoValidationPipe } from './common/validation.pipe.js';
import { HttpConfig } from './config/http.config.js';
import { LogConfig } from './config/log.config.js';
import type { LoadedConfig } from './config/load-config.js';
import { TlsConfig } from './config/tls.config.js';
import { MqttServer } from './mqtt/mqtt.server.js';

/** The whole application, configured and not yet listening; the same for the program and for every test. */
export async function createApp(config: LoadedConfig, limits = HTTP_LIMITS): Promise<NestFastifyApplication> {
  const { level, format } = config.get(LogConfig);
  const refusals = new HttpRefusals();
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.register(config, refusals),
    createHttpAdapter(refusals, limits, httpsCertificates(config.get(TlsConfig)), config.get(HttpConfig).trustProxy),
    { logger: new PinoLogger(level, format), bodyParser: false, abortOnError: false },
  );
  app.useGlobalPipes(new DtoValidationPipe());
  app.useGlobalFilters(new ProblemFilter(refusals));
  app.connectMicroservice({ strategy: app.get(MqttServer) }, { inheritAppConfig: true });
  return app;
}

/**
 * Opens the database, then the MQTT listener, then HTTP, so that whoever reaches a route finds all behind it ready. On a
 * failure everything is closed again and a StartupError says what to do.
 */
export async function listen(app: NestFastifyApplication, config: LoadedConfig): Promise<void> {
  const { host, port } = config.get(HttpConfig);
  try {
    await app.init();
    await app.startAllMicroservices();
    await app.listen(port, await theAddress(host, config.get(TlsConfig)));
  } catch (error) {
    await app.close();
    throw explain(error, host, port);
  }
}

function httpsCertificates({ http }: TlsConfig): CertificateFiles | null {
  return http === null ? null : new CertificateFiles(http, 'HTTPS');
}

/** Fastify opens a second server where `localhost` has two addresses, and new certificates would reach only the first. */
async function theAddress(host: string, { http }: TlsConfig): Promise<string> {
  return http !== null && host.toLowerCase() === 'localhost' ? (await lookup(host)).address : host;
}

function explain(error: unknown, host: string, port: number): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall !== 'listen' && syscall !== 'getaddrinfo') return error;
  if (code === 'EADDRINUSE') {
    return new StartupError(
      `The HTTP port ${port} on ${host} is already taken.`,
      `Another Signalbox or a development server may hold it (see: ss -ltnp 'sport = :${port}'). ` +
        'Stop that one, or set HTTP_PORT to a free port (0 = any).',
    );
  }
  if (code === 'EACCES') {
    return new StartupError(
      `This user may not listen on the HTTP port ${port}.`,
      'Ports below 1024 need extra rights; set HTTP_PORT to a higher one, such as 3000.',
    );
  }
  return new StartupError(
    `Signalbox cannot listen for HTTP on ${host}:${port} (${code}).`,
    'Set HTTP_HOST to an address of this machine, such as 127.0.0.1.',
  );
}
