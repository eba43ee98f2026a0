// An unmodified Baileys against the simulator: prints what it sees as JSON lines
// on stdout and does what JSON lines on stdin tell it.
//
//   node witness.mjs --ws ws://127.0.0.1:7788/ws/chat --root-key HEX --mode qr
//   node witness.mjs --ws … --root-key HEX --mode code --phone 4915112345678
//
// Lines out: {"event":"qr","qr"} {"event":"pairing-code","code"} {"event":"connection.update",…}
//   {"event":"labels.edit","label"} {"event":"labels.association","type","association"}
//   {"event":"messages.upsert","messages":[{"id","chat","from_me","text"}]} {"event":"snapshot","path"}
//   {"event":"log","level","message"} for warnings and errors of the library
//   {"event":"done","id","cmd","result"} {"event":"failed","id","cmd","error"} for each command
// Lines in: {"id","cmd":"addLabel","label":{"id","name","color","deleted"?}}
//   {"id","cmd":"addChatLabel"|"removeChatLabel","jid","label_id"}
//   {"id","cmd":"addMessageLabel"|"removeMessageLabel","jid","message_id","label_id"}
//   {"id","cmd":"sendText","jid","text"} {"id","cmd":"resync"} {"cmd":"quit"}

import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import makeWASocket, { Browsers, DisconnectReason, WA_CERT_DETAILS, initAuthCreds } from 'baileys';

const { values: args } = parseArgs({
  options: {
    ws: { type: 'string' },
    'root-key': { type: 'string' },
    mode: { type: 'string', default: 'qr' },
    phone: { type: 'string' },
  },
});
if (!args.ws || !args['root-key'] || (args.mode === 'code' && !args.phone)) {
  console.error('usage: node witness.mjs --ws URL --root-key HEX [--mode qr|code --phone DIGITS]');
  process.exit(2);
}

const say = (event, fields = {}) => process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');

// The client believes the simulator's certificate chain because its root is this one.
WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(args['root-key'], 'hex');

// The library builds https://mmg.whatsapp.net/… for snapshots and offers no other
// host, but lets its caller choose the dispatcher: this one goes to the simulator.
const origin = new URL(args.ws);
origin.protocol = origin.protocol === 'wss:' ? 'https:' : 'http:';
const dispatcher = {
  dispatch(request, handler) {
    const node = globalThis[Symbol.for('undici.globalDispatcher.1')];
    say('snapshot', { path: request.path });
    return node.dispatch({ ...request, origin: origin.origin }, handler);
  },
};

// Warnings matter here: a hash that does not match is only logged by this library.
const logger = {
  level: 'warn',
  child: () => logger,
  trace() {},
  debug() {},
  info() {},
  warn: (...parts) => log('warn', parts),
  error: (...parts) => log('error', parts),
};
const log = (level, parts) => {
  const message = parts.map((part) => (typeof part === 'string' ? part : part?.error || part?.err?.message || '')).join(' ').trim();
  say('log', { level, message });
};

const memory = new Map();
const keys = {
  async get(type, ids) {
    const found = {};
    for (const id of ids) {
      const value = memory.get(`${type}/${id}`);
      if (value !== undefined) found[id] = value;
    }
    return found;
  },
  async set(data) {
    for (const [type, entries] of Object.entries(data)) {
      for (const [id, value] of Object.entries(entries ?? {})) {
        if (value === null || value === undefined) memory.delete(`${type}/${id}`);
        else memory.set(`${type}/${id}`, value);
      }
    }
  },
  async clear() {
    memory.clear();
  },
};
const auth = { creds: initAuthCreds(), keys };

let socket;
let quitting = false;
let codeAsked = false;

function connect() {
  socket = makeWASocket({
    auth,
    logger,
    waWebSocketUrl: args.ws,
    version: [2, 3000, 1043857760],
    browser: Browsers.ubuntu('Chrome'),
    markOnlineOnConnect: false,
    options: { dispatcher },
    // Off by default: without it this client would be no witness.
    appStateMacVerification: { patch: true, snapshot: true },
  });
  socket.ev.on('creds.update', (update) => Object.assign(auth.creds, update));
  socket.ev.on('connection.update', (update) => connection(update));
  socket.ev.on('labels.edit', (label) => say('labels.edit', { label }));
  socket.ev.on('labels.association', (change) => say('labels.association', change));
  socket.ev.on('messages.upsert', ({ messages, type }) => {
    const texts = messages.map(({ key, message }) => ({
      id: key.id,
      chat: key.remoteJid,
      from_me: Boolean(key.fromMe),
      text: message?.conversation ?? message?.extendedTextMessage?.text ?? null,
    }));
    say('messages.upsert', { type, messages: texts });
  });
}

async function connection({ connection: state, lastDisconnect, qr, isNewLogin, receivedPendingNotifications }) {
  const code = lastDisconnect?.error?.output?.statusCode;
  say('connection.update', { connection: state, code, isNewLogin, receivedPendingNotifications });
  if (qr && args.mode === 'qr') say('qr', { qr });
  if (qr && args.mode === 'code' && !codeAsked) {
    codeAsked = true;
    say('pairing-code', { code: await socket.requestPairingCode(args.phone) });
  }
  if (state !== 'close' || quitting) return;
  if (code === DisconnectReason.loggedOut) {
    say('logged-out');
    process.exit(0);
  }
  connect();
}

async function obey(command) {
  switch (command.cmd) {
    case 'addLabel':
      return socket.addLabel('', command.label);
    case 'addChatLabel':
      return socket.addChatLabel(command.jid, command.label_id);
    case 'removeChatLabel':
      return socket.removeChatLabel(command.jid, command.label_id);
    case 'addMessageLabel':
      return socket.addMessageLabel(command.jid, command.message_id, command.label_id);
    case 'removeMessageLabel':
      return socket.removeMessageLabel(command.jid, command.message_id, command.label_id);
    case 'sendText':
      return (await socket.sendMessage(command.jid, { text: command.text })).key.id;
    case 'resync':
      return socket.resyncAppState(['regular'], false);
    case 'quit':
      quitting = true;
      await socket.end(undefined);
      process.exit(0);
    default:
      throw new Error(`unknown command ${command.cmd}`);
  }
}

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    let command = {};
    try {
      command = JSON.parse(line);
      const result = await obey(command);
      say('done', { id: command.id, cmd: command.cmd, result: result ?? null });
    } catch (error) {
      say('failed', { id: command.id, cmd: command.cmd, error: error?.message ?? String(error) });
    }
  })
  // Whoever started the witness is gone: so is the reason to stay.
  .on('close', () => process.exit(0));

process.on('unhandledRejection', (error) => say('log', { level: 'error', message: String(error?.stack ?? error) }));

connect();
