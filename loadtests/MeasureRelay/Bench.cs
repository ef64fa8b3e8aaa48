using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using LoadTests;

namespace MeasureRelay;

/// <summary>Every proxy as a process of its own, in a folder that goes away, in front of scripted upstreams.</summary>
/// <remarks>
/// Two of hotmodel, so that the memory of the one that gathers answers is not the other's too. The upstream of the first
/// is everybody's.
/// </remarks>
internal sealed class Bench : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);

    private readonly Options options;
    private readonly string folder = Directory.CreateTempSubdirectory("hotmodel-relay-").FullName;
    private readonly List<Process> running = [];

    public Bench(Options options) => this.options = options;

    public IReadOnlyList<Side> Start()
    {
        var ports = Enumerable.Range(0, 6).Select(_ => FreePort.Next()).ToArray();
        var (upstream, nginx, haproxy) = (ports[0], ports[1], ports[2]);
        var sides = new List<Side>
        {
            StartHotModel(Side.HotModel, Side.CompletionPath, ports[3], upstream),
            StartHotModel(Side.HotModelSession, Side.ChatPath, ports[4], ports[5]),
            new(Side.Direct, upstream, Side.CompletionPath, HasSessions: false, []),
            StartNginx(nginx, upstream),
            StartHaProxy(haproxy, upstream),
        };
        return [.. Side.All.Where(options.Sides.Contains).Select(name => sides.First(s => s.Name == name))];
    }

    public void Dispose()
    {
        foreach (Process process in running.Where(p => !p.HasExited))
        {
            Libc.Terminate(process.Id);
            if (!process.WaitForExit(Limit))
                process.Kill(entireProcessTree: true);
        }
        Directory.Delete(folder, recursive: true);
    }

    private Side StartHotModel(string name, string path, int port, int upstreamPort)
    {
        string own = Directory.CreateDirectory(Path.Combine(folder, name)).FullName;
        // hotmodel starts it as it would llama-server, with "-m FILE --host HOST --port PORT …".
        string upstream = Path.Combine(own, "upstream");
        File.WriteAllText(upstream, $"""
            #!/bin/sh
            exec "{Environment.ProcessPath}" "{typeof(Bench).Assembly.Location}" {Options.UpstreamWord} "$@"
            """);
        File.SetUnixFileMode(upstream, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.WriteAllText(Path.Combine(own, "bench.gguf"), "");
        string config = Path.Combine(own, "hotmodel.toml");
        File.WriteAllText(config, $"""
            [server]
            port = {port}
            active_model = "bench"
            [llama]
            backend_mode = "process"
            binary = "{upstream}"
            [models.bench]
            path = "bench.gguf"
            port = {upstreamPort}
            """);
        Process process = Start(name, options.HotModel, ["serve", "--config", config]);
        WaitUntil($"{name} is ready", () => IsReady(port));
        return new(name, port, path, name == Side.HotModelSession, [process.Id]);
    }

    private static bool IsReady(int port)
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        using var state = JsonDocument.Parse(client.GetStringAsync($"http://127.0.0.1:{port}/admin/state").Result);
        return state.RootElement.GetProperty("phase").GetString() == "ready";
    }

    private Side StartNginx(int port, int upstream)
    {
        string config = Path.Combine(folder, "nginx.conf");
        File.WriteAllText(config, $$"""
            daemon off;
            pid {{folder}}/nginx.pid;
            worker_processes 2;
            worker_rlimit_nofile 10000;
            events { worker_connections 4096; }
            http {
              access_log off;
              client_body_temp_path {{folder}}/nginx-body;
              proxy_temp_path {{folder}}/nginx-proxy;
              fastcgi_temp_path {{folder}}/nginx-fastcgi;
              uwsgi_temp_path {{folder}}/nginx-uwsgi;
              scgi_temp_path {{folder}}/nginx-scgi;
              upstream llama { server 127.0.0.1:{{upstream}}; keepalive 64; }
              server {
                listen 127.0.0.1:{{port}} backlog=4096;
                location / {
                  proxy_pass http://llama;
                  proxy_http_version 1.1;
                  proxy_set_header Connection "";
                  proxy_buffering off;
                  proxy_read_timeout 600s;
                }
              }
            }
            """);
        Process process = Start("nginx", options.Nginx, ["-p", folder, "-e", $"{folder}/nginx-error.log", "-c", config]);
        WaitUntil("nginx listens", () => Listens(port) && Cost.ChildrenOf(process.Id).Count() == 2);
        return new(Side.Nginx, port, Side.CompletionPath, HasSessions: false, [process.Id, .. Cost.ChildrenOf(process.Id)]);
    }

    private Side StartHaProxy(int port, int upstream)
    {
        string config = Path.Combine(folder, "haproxy.cfg");
        File.WriteAllText(config, $"""
            global
              nbthread 2
              maxconn 4096
            defaults
              mode http
              option http-no-delay
              http-reuse always
              timeout connect 5s
              timeout client 600s
              timeout server 600s
            frontend clients
              bind 127.0.0.1:{port} backlog 4096
              default_backend llama
            backend llama
              server upstream 127.0.0.1:{upstream}

            """);
        Process process = Start("haproxy", options.HaProxy, ["-db", "-f", config]);
        WaitUntil("haproxy listens", () => Listens(port));
        return new(Side.HaProxy, port, Side.CompletionPath, HasSessions: false, [process.Id]);
    }

    private Process Start(string name, string program, string[] arguments)
    {
        var start = new ProcessStartInfo("/bin/sh") { WorkingDirectory = folder };
        foreach (string word in (string[])["-c", $"exec \"$0\" \"$@\" >>{name}.log 2>&1", program, .. arguments])
            start.ArgumentList.Add(word);
        Process process = Process.Start(start)!;
        running.Add(process);
        return process;
    }

    private void WaitUntil(string what, Func<bool> condition)
    {
        long started = Stopwatch.GetTimestamp();
        while (!Holds(condition))
        {
            if (Stopwatch.GetElapsedTime(started) > Limit)
            {
                string logs = string.Join("\n", Directory.GetFiles(folder, "*.log").Select(File.ReadAllText));
                throw new TimeoutException($"It did not come about that {what}.\n{logs}");
            }
            Thread.Sleep(Interval);
        }
    }

    private static bool Holds(Func<bool> condition)
    {
        try
        {
            return condition();
        }
        catch (Exception e) when (e is AggregateException or HttpRequestException or SocketException)
        {
            // It does not listen yet.
            return false;
        }
    }

    private static bool Listens(int port)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(IPAddress.Loopback, port);
        return true;
    }
}
