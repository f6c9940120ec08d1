#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { NAME, VERSION } from '../common/version.js';
import { certCommand } from './cert.command.js';
import { commandCommand } from './command.command.js';
import { deviceCommand } from './device.command.js';
import { keyCommand } from './key.command.js';
import { migrateCommand } from './migrate.command.js';
import { openApiCommand } from './openapi.command.js';
import { serveCommand } from './serve.command.js';
import { simulateCommand } from './simulate.command.js';

const USAGE = 2;

const program = new Command(NAME)
  .description('MQTT <-> REST device gateway.')
  .version(VERSION)
  .exitOverride()
  .addCommand(serveCommand())
  .addCommand(migrateCommand())
  .addCommand(commandCommand())
  .addCommand(deviceCommand())
  .addCommand(keyCommand())
  .addCommand(simulateCommand())
  .addCommand(certCommand())
  .addCommand(openApiCommand());

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : USAGE;
}
