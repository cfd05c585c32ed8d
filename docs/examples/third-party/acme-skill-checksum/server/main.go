// A tool server for Sympozium agents: SHA-256 of texts and files, over files as docs/ipc.md describes.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const name, look = "checksum", 10 * time.Millisecond

const manifest = `{"version": 1, "tools": [
  {"name": "sha256_text", "description": "Give the SHA-256 checksum of a text.", "parameters": {"type": "object",
    "properties": {"text": {"type": "string", "description": "The text."}}, "required": ["text"]}},
  {"name": "sha256_file", "description": "Give the SHA-256 checksum of a file.", "parameters": {"type": "object",
    "properties": {"path": {"type": "string", "description": "Its path in the workspace."}}, "required": ["path"]}}]}`

type request struct {
	ID        string         `json:"id"`
	Tool      string         `json:"tool"`
	Arguments map[string]any `json:"arguments"`
	Deadline  float64        `json:"deadline"`
}

type result struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Content string `json:"content"`
}

func env(variable, otherwise string) string {
	if value := os.Getenv(variable); value != "" {
		return value
	}
	return otherwise
}

var (
	ipc       = env("SYMPOZIUM_IPC", "/ipc")
	workspace = env("SYMPOZIUM_WORKSPACE", "/workspace")
	dir       = filepath.Join(ipc, "tools", name)
)

// put writes a file whole or not at all.
func put(path string, data []byte) error {
	hidden := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if err := os.WriteFile(hidden, data, 0o644); err != nil {
		return err
	}
	return os.Rename(hidden, path)
}

func sum(reader io.Reader) (string, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, reader); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func run(asked request) (string, error) {
	argument := map[string]string{"sha256_text": "text", "sha256_file": "path"}[asked.Tool]
	if argument == "" {
		return "", fmt.Errorf("there is no tool %s; there are sha256_text and sha256_file", asked.Tool)
	}
	value, ok := asked.Arguments[argument].(string)
	if !ok {
		return "", fmt.Errorf("%s must be a text", argument)
	}
	if argument == "text" {
		return sum(strings.NewReader(value))
	}
	path := filepath.Join(workspace, filepath.Clean("/"+strings.TrimPrefix(value, "/workspace/")))
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", value, errors.Unwrap(err))
	}
	defer file.Close()
	return sum(file)
}

func answer(id, path string) {
	asked, status := request{}, "ok"
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &asked)
	}
	content := ""
	switch {
	case err != nil:
	case asked.ID != id:
		err = errors.New("the request has another id than its file")
	case asked.Deadline > 0 && float64(time.Now().UnixNano())/1e9 > asked.Deadline:
		status, content = "timeout", "it came too late"
	default:
		content, err = run(asked)
	}
	if err != nil {
		status, content = "error", err.Error()
	}
	whole, _ := json.Marshal(result{id, status, content})
	if err := put(filepath.Join(dir, "results", id+".json"), whole); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func main() {
	for _, folder := range []string{"requests", "results", "cancel"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if err := put(filepath.Join(dir, "manifest.json"), []byte(manifest)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var calls sync.WaitGroup
	for {
		if _, err := os.Stat(filepath.Join(ipc, "done")); err == nil {
			break
		}
		found, _ := filepath.Glob(filepath.Join(dir, "requests", "[^.]*.json"))
		for _, path := range found {
			id := strings.TrimSuffix(filepath.Base(path), ".json")
			claimed := filepath.Join(dir, "requests", ".claimed-"+id)
			if os.Rename(path, claimed) != nil { // another server has it
				continue
			}
			calls.Add(1)
			go func() { defer calls.Done(); answer(id, claimed) }()
		}
		// Every call here is short: who cancels one finds it answered.
		given, _ := filepath.Glob(filepath.Join(dir, "cancel", "*"))
		for _, path := range given {
			os.Remove(path)
		}
		select {
		case <-stop:
			return
		case <-time.After(look):
		}
	}
	calls.Wait()
}
