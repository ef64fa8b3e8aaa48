using System.Text;
using HotModel.Proxy;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace HotModel.Tests.Api;

/// <summary>A host whose requests wait for a model until the test releases them, on a clock that the test moves.</summary>
internal sealed class Waiting : IAsyncDisposable
{
    private readonly TaskCompletionSource left = NewSource();
    private TaskCompletionSource queued = NewSource();
    private TaskCompletionSource released = NewSource();

    private Waiting(ChatHost host, FakeTimeProvider time) => (Host, Time) = (host, time);

    public ChatHost Host { get; }
    public FakeTimeProvider Time { get; }
    /// <summary>A request waits.</summary>
    public Task Queued => Volatile.Read(ref queued).Task;
    /// <summary>A client left while it waited.</summary>
    public Task Left => left.Task;

    public static async Task<Waiting> StartAsync(RequestDelegate upstream)
    {
        var time = new FakeTimeProvider();
        var waiting = new Waiting(await ChatHost.StartAsync(upstream, time), time);
        waiting.Host.Queue = waiting.WaitAsync;
        return waiting;
    }

    public void Release() => Volatile.Read(ref released).TrySetResult();

    /// <summary>Requests wait again.</summary>
    public void Hold()
    {
        Volatile.Write(ref queued, NewSource());
        Volatile.Write(ref released, NewSource());
    }

    public Task<HttpResponseMessage> SendAsync(string path, string body, CancellationToken cancel = default) => Host.SendAsync(
        HttpMethod.Post, path, new StringContent(body, Encoding.UTF8, "application/json"), cancel);

    /// <summary>Returns when the head is there, while the request waits.</summary>
    public async Task<HttpResponseMessage> HeadAsync(string path, string body)
    {
        Task<HttpResponseMessage> sending = SendAsync(path, body);
        await Queued;
        Time.Advance(WaitingStream.Grace);
        return await sending;
    }

    /// <summary>Moves the clock until the head is there.</summary>
    public async Task<HttpResponseMessage> TickAsync(Task<HttpResponseMessage> sending)
    {
        while (!sending.IsCompleted)
        {
            // Slowly: a wait has its limit.
            Time.Advance(TimeSpan.FromMilliseconds(10));
            await Task.Delay(1);
        }
        return await sending;
    }

    /// <summary>The next line and the blank one behind it; moves the clock until they are there.</summary>
    public async Task<string> CommentAsync(StreamReader reader, TimeSpan step)
    {
        Task<string?> line = reader.ReadLineAsync();
        while (!line.IsCompleted)
        {
            Time.Advance(step);
            await Task.Delay(1);
        }
        return await line + "\n" + await reader.ReadLineAsync() + "\n";
    }

    /// <summary>All that a client gets that has waited for what does not come.</summary>
    public async Task<string> FailedAsync(string path)
    {
        using HttpResponseMessage response = await HeadAsync(
            path, """{"stream":true,"messages":[{"role":"user","content":"hi"}],"session_id":"s"}""");
        Release();
        return await ErrorEvent.ReadToAsync(response);
    }

    public ValueTask DisposeAsync() => Host.DisposeAsync();

    private async Task WaitAsync(CancellationToken cancel)
    {
        Task until = Volatile.Read(ref released).Task;
        Volatile.Read(ref queued).TrySetResult();
        try
        {
            await until.WaitAsync(cancel);
        }
        catch (OperationCanceledException)
        {
            left.TrySetResult();
            throw;
        }
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
