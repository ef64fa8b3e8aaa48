using System.Diagnostics;
using System.Text;

namespace MeasureScheduler;

/// <summary>What became of one client's requests. Waits are from sending to the first event of the answer.</summary>
/// <param name="Waits">Of the answers that were begun.</param>
/// <param name="Answered">Whole answers.</param>
/// <param name="Failed">Requests that were answered with an error, or broken off.</param>
/// <param name="Unanswered">How long the last request had waited for nothing when time was up; null: it had not.</param>
internal sealed record ClientResult(
    ClientPlan Plan, IReadOnlyList<TimeSpan> Waits, int Answered, int Failed, TimeSpan? Unanswered)
{
    public IEnumerable<TimeSpan> AllWaits => Unanswered is { } still ? Waits.Append(still) : Waits;
}

/// <summary>Asks for one model, again and again.</summary>
internal sealed class Client(HttpClient http, string url, ClientPlan plan, int seed)
{
    private const int AnswerTokens = 8;

    private readonly Random random = new(seed);
    private readonly List<TimeSpan> waits = [];
    private int answered;
    private int failed;
    private long sent;
    private bool isWaiting;

    public async Task<ClientResult> RunAsync(CancellationToken timeIsUp)
    {
        try
        {
            while (true)
            {
                await Task.Delay(plan.Pause * (0.5 + random.NextDouble()), timeIsUp);
                await AskAsync(timeIsUp);
            }
        }
        catch (OperationCanceledException) when (timeIsUp.IsCancellationRequested)
        {
            return new ClientResult(
                plan, waits, answered, failed, isWaiting ? Stopwatch.GetElapsedTime(sent) : null);
        }
    }

    private async Task AskAsync(CancellationToken timeIsUp)
    {
        (sent, isWaiting) = (Stopwatch.GetTimestamp(), true);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, url + "v1/chat/completions")
            {
                Content = new StringContent(Body(), Encoding.UTF8, "application/json"),
            };
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timeIsUp);
            response.EnsureSuccessStatusCode();
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(timeIsUp));
            var last = "";
            while (await reader.ReadLineAsync(timeIsUp) is { } line)
            {
                if (!line.StartsWith("data: ", StringComparison.Ordinal))
                    continue;
                if (isWaiting && !line.Contains("\"error\"", StringComparison.Ordinal))
                {
                    isWaiting = false;
                    waits.Add(Stopwatch.GetElapsedTime(sent));
                }
                last = line;
            }
            if (last == "data: [DONE]")
                answered++;
            else
                failed++;
        }
        catch (Exception e) when (e is HttpRequestException or IOException && !timeIsUp.IsCancellationRequested)
        {
            failed++;
        }
        finally
        {
            isWaiting &= timeIsUp.IsCancellationRequested;
        }
    }

    private string Body() =>
        $$"""
        {"model": "{{plan.Model}}", "max_tokens": {{AnswerTokens}}, "ignore_eos": true, "stream": true,
        "messages": [{"role": "user", "content": "question {{random.Next()}}"}]}
        """;
}
