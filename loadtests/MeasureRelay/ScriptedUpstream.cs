using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace MeasureRelay;

/// <summary>
/// What stands in for llama-server: it is healthy, and answers a chat or a completion with events at the pace that the
/// request asks for. One thread.
/// </summary>
internal sealed class ScriptedUpstream : IDisposable
{
    private readonly Libc.Poll poll = new();
    private readonly Dictionary<int, UpstreamConnection> connections = [];
    // The next event of each paced answer, by the time when it is due.
    private readonly PriorityQueue<UpstreamConnection, long> due = new();
    private readonly byte[] received = new byte[64 << 10];

    public static int Run(string[] arguments)
    {
        int port = int.Parse(arguments[Array.IndexOf(arguments, "--port") + 1], CultureInfo.InvariantCulture);
        using var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
        listener.Listen(4096);
        using var upstream = new ScriptedUpstream();
        upstream.Serve(listener);
        return 0;
    }

    public void Dispose() => poll.Dispose();

    private void Serve(Socket listener)
    {
        int listening = (int)listener.Handle;
        poll.Watch(listening, Libc.In);
        while (true)
        {
            long wait = due.TryPeek(out _, out long next) ? next - Stopwatch.GetTimestamp() : long.MaxValue;
            int count = wait <= 0 && due.Count > 0 ? 0 : poll.Wait(wait);
            for (int i = 0; i < count; i++)
            {
                var (socket, what) = poll[i];
                if (socket == listening)
                    Accept(listener);
                else if (connections.TryGetValue(socket, out UpstreamConnection? connection))
                    Serve(connection, what);
            }
            SendDue();
        }
    }

    private void Accept(Socket listener)
    {
        Socket socket = listener.Accept();
        socket.NoDelay = true;
        var connection = new UpstreamConnection(socket);
        connections.Add(connection.Handle, connection);
        poll.Watch(connection.Handle, Libc.In);
    }

    private void Serve(UpstreamConnection connection, uint what)
    {
        if ((what & (Libc.In | Libc.HangUp)) != 0)
        {
            int count = Libc.Receive(connection.Handle, received);
            if (count == 0)
            {
                Close(connection);
                return;
            }
            connection.Take(received.AsSpan(0, Math.Max(0, count)));
            if (connection.TakeRequest() is { } request)
                Answer(connection, request.Path, request.Body);
        }
        if ((what & Libc.Out) != 0)
            connection.SendMore();
        Settle(connection);
    }

    private void Answer(UpstreamConnection connection, string path, ReadOnlyMemory<byte> body)
    {
        if (!path.Contains("completions", StringComparison.Ordinal))
        {
            connection.Send(Encoding.ASCII.GetBytes(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}"));
            return;
        }
        AnswerPlan plan = AnswerPlan.Read(body);
        connection.Begin(path.Contains("chat", StringComparison.Ordinal) ? EventText.Chat : EventText.Completion, plan);
        if (plan.IntervalMicroseconds > 0)
            due.Enqueue(connection, connection.NextDue(Stopwatch.GetTimestamp()));
    }

    private void SendDue()
    {
        while (due.TryPeek(out UpstreamConnection? connection, out long at) && at <= Stopwatch.GetTimestamp())
        {
            due.Dequeue();
            if (connection.IsClosed)
                continue;
            connection.SendEvent();
            if (connection.IsAnswering)
                due.Enqueue(connection, connection.NextDue(at));
            Settle(connection);
        }
    }

    /// <summary>Watches for room where there is something to be sent, and only there.</summary>
    private void Settle(UpstreamConnection connection)
    {
        if (connection.IsBroken)
            Close(connection);
        else if (connection.NeedsWatch is { } what)
            poll.Change(connection.Handle, what);
    }

    private void Close(UpstreamConnection connection)
    {
        poll.Forget(connection.Handle);
        connections.Remove(connection.Handle);
        connection.Dispose();
    }
}
