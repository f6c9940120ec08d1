// Holds the write lock on a SQLite file until its standard input ends: node hold-lock.mjs <file>. Prints "held".
import Sqlite from 'better-sqlite3';

const db = new Sqlite(process.argv[2]);
db.exec('begin immediate');
process.stdout.write('held\n');
process.stdin.resume();
process.stdin.on('end', () => db.close());
