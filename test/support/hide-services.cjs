// Preloaded (`node --require`) into a process that is to believe that neither mosquitto nor PostgreSQL is installed; both are
// looked for whatever PATH says, so they are hidden from the file system calls.
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');

const isHidden = (path) => /\/(mosquitto|initdb)$/.test(String(path));
const { accessSync, existsSync } = fs;
fs.accessSync = (path, ...rest) => {
  if (isHidden(path)) throw new Error('hidden');
  return accessSync(path, ...rest);
};
fs.existsSync = (path) => !isHidden(path) && existsSync(path);
syncBuiltinESMExports();
