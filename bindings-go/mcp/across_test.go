package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	sinkwell "sinkwell.dev/go"
	sinkmcp "sinkwell.dev/go/mcp"
)

const (
	// serveTo has this test's program be a server on its standard input and output, which seals into this file.
	serveTo = "SINKWELL_TEST_SERVE_TO"
	keyFile = "SINKWELL_TEST_KEY"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(serveTo); path != "" {
		serve(path)
		return
	}
	os.Exit(m.Run())
}

func serve(path string) {
	key := map[string]any{"id": "k1", "hmac_sha256": map[string]any{"file": os.Getenv(keyFile)}}
	sw, err := sinkwell.Open(map[string]any{
		"agent": map[string]any{"id": "urn:example:shop"}, "heartbeat": "off", "key": key,
		"lanes": []any{map[string]any{"sink": map[string]any{"file": map[string]any{"path": path}}}},
	})
	if err != nil {
		panic(err)
	}
	server := shop(new([]string))
	sinkmcp.WatchServer(server, sw)
	_ = server.Run(context.Background(), &mcp.StdioTransport{})
	_, _ = sw.Close(context.Background())
}

const client = `
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');
const { Emitter, run } = require('sinkwell');
const { watch } = require('sinkwell/mcp');

(async () => {
  const [server, served, asked, key] = process.argv.slice(2);
  const sw = await Emitter.open({
    agent: { id: 'urn:example:buyer' },
    heartbeat: 'off',
    key: { id: 'k1', hmac_sha256: { file: key } },
    lanes: [{ sink: { file: { path: asked } } }],
  });
  const client = watch(new Client({ name: 'buyer', version: '1.0.0' }), { emitter: sw });
  const env = { ...process.env, SINKWELL_TEST_SERVE_TO: served, SINKWELL_TEST_KEY: key };
  await client.connect(new StdioClientTransport({ command: server, env }));
  const call = { name: 'pay', arguments: { to: 'CANARY-7f3a' } };
  await run('r-17', async () => {
    sw.emit('policy.decision', { decision: 'allow', rule: 'small' }, { id: 'd-1' });
    await run({ run: 'r-17', causation: 'd-1' }, () => client.callTool(call));
  });
  await client.callTool(call);
  await client.close();
  await sw.shutdown();
})();
`

// The client is TypeScript's, the server Go's, in another process: what both sealed is one graph.
func TestAClientInTypeScriptAndAServerInGoAreOneGraph(t *testing.T) {
	root, _ := filepath.Abs("../..")
	node, err := exec.LookPath("node")
	for _, needed := range []string{"bindings-node/dist/mcp.js", "bindings-node/node_modules/@modelcontextprotocol/sdk", "target/debug/sinkwell"} {
		if _, missing := os.Stat(filepath.Join(root, needed)); missing != nil {
			err = missing
		}
	}
	if err != nil {
		t.Skip("the package of Node is not built here: ", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	served, asked, key := filepath.Join(dir, "shop.ndjson"), filepath.Join(dir, "buyer.ndjson"), filepath.Join(dir, "key")
	script := filepath.Join(dir, "client.cjs")
	modules := filepath.Join(dir, "node_modules")
	for _, err := range []error{
		os.WriteFile(key, bytes.Repeat([]byte{7}, 32), 0o600),
		os.WriteFile(script, []byte(client), 0o600),
		os.Mkdir(modules, 0o700),
		os.Symlink(filepath.Join(root, "bindings-node"), filepath.Join(modules, "sinkwell")),
		os.Symlink(filepath.Join(root, "bindings-node/node_modules/@modelcontextprotocol"), filepath.Join(modules, "@modelcontextprotocol")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(soon(t), node, script, self, served, asked, key)
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	theirs, ours := read(t, served), read(t, asked)
	same(t, brief(theirs), []string{
		"tool.invocation pay intent", "tool.invocation pay result ok",
		"tool.invocation pay intent", "tool.invocation pay result ok",
	})
	same(t, brief(ours)[1:], brief(theirs))
	for i, event := range theirs {
		// By W3C trace context.
		same(t, event.Traceparent, ours[i+1].Traceparent)
		same(t, event.RunID, ours[i+1].RunID)
	}
	same(t, theirs[0].RunID, "r-17")
	// Without a run of the host's it is that of the trace.
	same(t, theirs[2].RunID, theirs[2].Traceparent[3:35])
	same(t, theirs[0].CausationID, ours[1].ID)

	text := linked(t, root, key, "r-17", []string{asked, served}, [][2]string{
		{ours[1].ID, "d-1"}, {theirs[0].ID, ours[1].ID}, {theirs[1].ID, theirs[0].ID},
	})
	if strings.Contains(text, "CANARY") {
		t.Error("people's words are in the graph")
	}
}

// linked has sinkwell graph draw a run from these files, and looks for an edge between each two events; it answers the text.
func linked(t *testing.T, root, key, run string, files []string, wanted [][2]string) string {
	t.Helper()
	arguments := append([]string{"graph", "--format", "json", "--run", run, "--key", "k1=hmac:" + key}, files...)
	// What nobody decided is found, and that is exit status 1: the graph is printed all the same.
	text, _ := exec.CommandContext(soon(t), filepath.Join(root, "target/debug/sinkwell"), arguments...).Output()
	var told struct {
		Edges []struct {
			From  string `json:"from"`
			To    string `json:"to"`
			There bool   `json:"there"`
		} `json:"edges"`
	}
	if err := json.Unmarshal(text, &told); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	edges := map[string]bool{}
	for _, edge := range told.Edges {
		if edge.There {
			edges[edge.From+" "+edge.To] = true
		}
	}
	for _, edge := range wanted {
		from, to := "event:"+edge[0], "event:"+edge[1]
		if !edges[from+" "+to] && !edges[to+" "+from] {
			t.Errorf("no edge between %s and %s in %s", from, to, text)
		}
	}
	return string(text)
}

const server = `
import sys

import sinkwell.mcp
from mcp.server.mcpserver import MCPServer

emitter = sinkwell.Emitter.open({
    "agent": {"id": "urn:example:shop"},
    "heartbeat": "off",
    "key": {"id": "k1", "hmac_sha256": {"file": sys.argv[2]}},
    "lanes": [{"sink": {"file": {"path": sys.argv[1]}}}],
})
server = MCPServer("shop", middleware=[sinkwell.mcp.Middleware(emitter)])


@server.tool()
async def pay(to: str) -> str:
    """Pays."""
    emitter.emit("com.example.paid")
    return "paid"


server.run("stdio")
emitter.shutdown(5)
`

// The service and its agent are Go's, the MCP server and its tool Python's, in another process: one request is one trace, and
// what both sealed of it one graph.
func TestOneRequestThroughAServiceAnAgentAndAServerInPythonIsOneGraph(t *testing.T) {
	root, _ := filepath.Abs("../..")
	python := filepath.Join(root, "target/venv/bin/python")
	if said, err := exec.CommandContext(soon(t), python, "-c", "import mcp.server.mcpserver, sinkwell.mcp").CombinedOutput(); err != nil {
		t.Skipf("the package of Python is not built here: %v %s", err, said)
	}
	if _, err := os.Stat(filepath.Join(root, "target/debug/sinkwell")); err != nil {
		t.Skip("the command is not built here: ", err)
	}
	dir := t.TempDir()
	served, script, key := filepath.Join(dir, "shop.ndjson"), filepath.Join(dir, "server.py"), filepath.Join(dir, "key")
	if err := errors.Join(
		os.WriteFile(key, bytes.Repeat([]byte{7}, 32), 0o600), os.WriteFile(script, []byte(server), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	front := open(t, "front", map[string]any{"key": map[string]any{"id": "k1", "hmac_sha256": map[string]any{"file": key}}})
	client := agent(nil)
	sinkmcp.WatchClient(client, front.sw)
	session, err := client.Connect(soon(t), &mcp.CommandTransport{Command: exec.Command(python, script, served, key)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		ctx := sinkwell.WithRun(r.Context(), "order-1")
		allow := sinkwell.Event{Type: sinkwell.TypePolicyDecision, ID: "may-pay", Attrs: []sinkwell.Attr{
			sinkwell.String("decision", "allow"), sinkwell.String("rule", "small"),
		}}
		started, completed := sinkwell.Event{Type: sinkwell.TypeRunStarted}, sinkwell.Event{Type: sinkwell.TypeRunCompleted}
		err := errors.Join(front.sw.Put(ctx, started), front.sw.Put(ctx, allow))
		answer, failed := session.CallTool(
			sinkwell.WithCausation(ctx, "may-pay"), &mcp.CallToolParams{Name: "pay", Arguments: map[string]any{"to": "CANARY-7f3a"}})
		if err = errors.Join(err, failed, front.sw.Put(ctx, completed)); err != nil || answer.IsError {
			http.Error(w, fmt.Sprint(answer, err), http.StatusInternalServerError)
		}
	})
	service := httptest.NewServer(sinkwell.Middleware(front.sw, mux))
	defer service.Close()
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	request, err := http.NewRequestWithContext(soon(t), http.MethodPost, service.URL+"/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	response, err := service.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	same(t, response.Status+" "+string(said), "200 OK ")
	// It ends with its input, and its emitter with it.
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
	ours, _ := front.sealed(t)
	theirs := read(t, served)
	same(t, brief(ours), []string{
		"run.started", "policy.decision small allow", "tool.invocation pay intent", "tool.invocation pay result ok",
		"run.completed", "span",
	})
	same(t, brief(theirs), []string{"tool.invocation pay intent", "com.example.paid", "tool.invocation pay result ok"})
	for _, event := range append(ours, theirs...) {
		if !strings.HasPrefix(event.Traceparent, "00-"+trace+"-") {
			t.Errorf("%s is of another trace: %q", event.Type, event.Traceparent)
		}
		if event.Type != "dev.sinkwell.span" {
			same(t, event.RunID, "order-1")
		}
	}
	text := linked(t, root, key, "order-1", []string{front.path, served}, [][2]string{
		{ours[2].ID, "may-pay"}, {ours[3].ID, ours[2].ID}, {theirs[0].ID, ours[2].ID}, {theirs[2].ID, theirs[0].ID},
	})
	if strings.Contains(text, "CANARY") {
		t.Error("people's words are in the graph")
	}
}

func read(t *testing.T, path string) []envelope {
	t.Helper()
	events, _ := readAll(t, path)
	return events
}
