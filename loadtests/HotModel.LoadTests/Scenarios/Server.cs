using System.Diagnostics;
using System.Net;
using System.Text.Json;

namespace HotModel.LoadTests.Scenarios;

/// <summary>The hotmodel that is under load, and its clients.</summary>
internal sealed class Server(Uri address) : IDisposable
{
    private static readonly TimeSpan ReadyLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan IdleLimit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    public Client Client { get; } = new(address);

    public Client SlowClient { get; } = new(address, SlowReader.ReceiveBufferBytes);

    public async Task<IReadOnlyList<string>> ModelsAsync()
    {
        using JsonDocument list = await GetAsync("v1/models");
        return [.. list.RootElement.GetProperty("data").EnumerateArray().Select(m => m.GetProperty("id").GetString()!)];
    }

    /// <summary>What one model cannot, none of those that are tested can.</summary>
    public async Task<bool> CanEmbedAsync()
    {
        using var limit = new CancellationTokenSource(Client.Limit);
        using HttpResponseMessage response = await Route.Embeddings.SendAsync(Client, limit.Token);
        return response.StatusCode != HttpStatusCode.NotImplemented;
    }

    /// <returns>False: no model was ready in a minute.</returns>
    public Task<bool> IsReadyAsync() =>
        BecomesAsync(state => state.GetProperty("phase").GetString() == "ready", ReadyLimit);

    /// <returns>False: a request still ran or waited seconds after all clients had ended or left.</returns>
    public Task<bool> IsIdleAsync() => BecomesAsync(
        state => state.GetProperty("inflight_chats").GetInt32() == 0 && state.GetProperty("waiting_chats").GetInt32() == 0,
        IdleLimit);

    public void Dispose()
    {
        Client.Dispose();
        SlowClient.Dispose();
    }

    private async Task<bool> BecomesAsync(Func<JsonElement, bool> condition, TimeSpan limit)
    {
        long started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < limit)
        {
            try
            {
                using JsonDocument state = await GetAsync("admin/state");
                if (condition(state.RootElement))
                    return true;
            }
            catch (HttpRequestException)
            {
                // It does not listen yet.
            }
            await Task.Delay(Interval);
        }
        return false;
    }

    private async Task<JsonDocument> GetAsync(string path)
    {
        using var limit = new CancellationTokenSource(Client.Limit);
        using HttpResponseMessage response = await Client.GetAsync(path, limit.Token);
        response.EnsureSuccessStatusCode();
        return await JsonDocument.ParseAsync(await response.Content.ReadAsStreamAsync(limit.Token), default, limit.Token);
    }
}
