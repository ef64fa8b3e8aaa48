using System.Globalization;
using System.Text.Json;
using HotModel.Api;

namespace HotModel.Cli;

/// <summary>Shows the events of a switch: a line for each phase, on a terminal a bar that fills while a model loads.</summary>
internal sealed class SwitchProgress(TextWriter output, bool isTerminal)
{
    private const int BarWidth = 30;
    private bool isFirst = true;
    private string? phase;
    private bool barIsOpen;

    public void Show(string? name, string json)
    {
        if (name == "phase")
            ShowPhase(JsonSerializer.Deserialize(json, AdminJson.Default.SwitchStatus)!);
        else if (name == "progress" && isTerminal)
            ShowLoad(JsonSerializer.Deserialize(json, AdminJson.Default.ProgressNews)!);
    }

    /// <summary>Leaves the cursor at the start of a line.</summary>
    public void End()
    {
        if (barIsOpen)
            output.Write("\r\x1b[K");
        barIsOpen = false;
    }

    private void ShowPhase(Switching.SwitchStatus status)
    {
        // The first event is the state before the switch.
        if (!isFirst && status.Phase != phase && Sentence(status) is { } sentence)
        {
            End();
            output.WriteLine(sentence);
        }
        isFirst = false;
        phase = status.Phase;
    }

    private void ShowLoad(Switching.ProgressNews news)
    {
        var filled = (int)(Math.Clamp(news.Fraction, 0, 1) * BarWidth);
        var percent = (news.Fraction * 100).ToString("0", CultureInfo.InvariantCulture);
        output.Write($"\r\x1b[K  [{new string('#', filled)}{new string('.', BarWidth - filled)}] {percent,3} % {news.Stage}");
        barIsOpen = true;
    }

    private static string? Sentence(Switching.SwitchStatus status) => status.Phase switch
    {
        "draining" => $"draining: {status.InflightChats} running answer(s) of {status.ActiveModel}",
        "unloading" => "unloading",
        "settling" => "settling",
        "loading" => $"loading {status.GoalModel}",
        "backing_off" => $"pausing before {status.GoalModel} is tried again",
        _ => null,
    };
}
